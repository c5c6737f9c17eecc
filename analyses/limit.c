/* Value and gradient of contaminated mixtures of experts in one pass over the rows, by hand.
 *
 * What the suite's compiled likelihood is held against in bench_limits.py: a compiler's vector
 * code for one density each, with log f0 of every row given. Nothing of the suite uses it. With
 *     delta = log(pi / (1 - pi)) + log f - log f0,     s = 1 / (1 + exp(-delta)),
 * the log-density of a row is log f0 + log(1 - pi) + log(1 + exp(delta)), and s is the row's
 * responsibility, by which the gradient of log f is weighed. x lies column by column.
 *
 *     cc -O3 -march=native -ffast-math -shared -fPIC limit.c -o limit.so -lm
 */
#include <math.h>

#define BLOCK 512

/* s = 1 / (1 + exp(-t)); returns the sum of log(1 + exp(t)). */
static double softplus(const double *restrict t, double *restrict s, int rows) {
    double sum = 0;
    for (int i = 0; i < rows; i++) {
        double small = exp(-fabs(t[i])), share = 1 / (1 + small);
        s[i] = t[i] >= 0 ? share : small * share;
        sum += (t[i] > 0 ? t[i] : 0) + log(1 + small);
    }
    return sum;
}

static void score(const double *restrict x, long n, int d, const double *a, double b,
                  double *restrict out, int rows) {
    for (int i = 0; i < rows; i++) out[i] = b;
    for (int j = 0; j < d; j++)
        for (int i = 0; i < rows; i++) out[i] += a[j] * x[j * n + i];
}

static void pull(const double *restrict x, long n, int d, const double *restrict w, double *g,
                 int rows) {
    for (int j = 0; j < d; j++) {
        double sum = 0;
        for (int i = 0; i < rows; i++) sum += w[i] * x[j * n + i];
        g[j] += sum;
    }
}

static double total(const double *restrict w, int rows) {
    double sum = 0;
    for (int i = 0; i < rows; i++) sum += w[i];
    return sum;
}

/* Gate lam, expert tanh(a'x + b), variance nu; theta = lam, a, b, nu. */
double limit_constant(long n, int d, const double *x, const double *y, const double *f0,
                      const double *theta, double *g) {
    double lam = theta[0], b = theta[1 + d], nu = theta[2 + d], value = n * log1p(-lam);
    double shift = log(lam) - log1p(-lam) - 0.5 * log(2 * M_PI * nu);
    double mass = 0, square = 0;
    for (int j = 0; j < d + 3; j++) g[j] = 0;
    for (long at = 0; at < n; at += BLOCK) {
        int rows = n - at < BLOCK ? (int)(n - at) : BLOCK;
        double h[BLOCK], r[BLOCK], t[BLOCK], s[BLOCK];
        score(x + at, n, d, theta + 1, b, h, rows);
        for (int i = 0; i < rows; i++) {
            h[i] = 1 - 2 / (exp(2 * h[i]) + 1);
            r[i] = y[at + i] - h[i];
            t[i] = shift - 0.5 * r[i] * r[i] / nu - f0[at + i];
        }
        value += softplus(t, s, rows) + total(f0 + at, rows);
        for (int i = 0; i < rows; i++) {
            square += s[i] * r[i] * r[i];
            t[i] = s[i] * r[i] * (1 - h[i] * h[i]) / nu;
        }
        mass += total(s, rows);
        pull(x + at, n, d, t, g + 1, rows);
        g[1 + d] += total(t, rows);
    }
    g[0] = mass / lam - (n - mass) / (1 - lam);
    g[2 + d] = 0.5 * (square / nu - mass) / nu;
    return value;
}

/* Gate 1 / (1 + exp(-beta'x - tau)), expert tanh(a'x), variance nu; theta = beta, tau, a, nu. */
double limit_softmax(long n, int d, const double *x, const double *y, const double *f0,
                     const double *theta, double *g) {
    double nu = theta[2 * d + 1], shift = -0.5 * log(2 * M_PI * nu), value = 0;
    double mass = 0, square = 0;
    for (int j = 0; j < 2 * d + 2; j++) g[j] = 0;
    for (long at = 0; at < n; at += BLOCK) {
        int rows = n - at < BLOCK ? (int)(n - at) : BLOCK;
        double h[BLOCK], r[BLOCK], q[BLOCK], t[BLOCK], s[BLOCK], p[BLOCK];
        score(x + at, n, d, theta, theta[d], q, rows);
        score(x + at, n, d, theta + d + 1, 0, h, rows);
        for (int i = 0; i < rows; i++) {
            h[i] = 1 - 2 / (exp(2 * h[i]) + 1);
            r[i] = y[at + i] - h[i];
            t[i] = q[i] + shift - 0.5 * r[i] * r[i] / nu - f0[at + i];
        }
        value += softplus(t, s, rows) - softplus(q, p, rows) + total(f0 + at, rows);
        for (int i = 0; i < rows; i++) {
            square += s[i] * r[i] * r[i];
            t[i] = s[i] * r[i] * (1 - h[i] * h[i]) / nu;
            p[i] = s[i] - p[i];
        }
        mass += total(s, rows);
        pull(x + at, n, d, p, g, rows);
        g[d] += total(p, rows);
        pull(x + at, n, d, t, g + d + 1, rows);
    }
    g[2 * d + 1] = 0.5 * (square / nu - mass) / nu;
    return value;
}

/* The same gate, three classes with logits a_k'x + b_k and 0; theta = beta, tau, a_1, a_2, b. */
double limit_multinomial(long n, int d, const double *x, const double *y, const double *f0,
                         const double *theta, double *g) {
    const double *a = theta + d + 1, *b = a + 2 * d;
    double *ga = g + d + 1, *gb = ga + 2 * d, value = 0;
    for (int j = 0; j < 3 * d + 3; j++) g[j] = 0;
    for (long at = 0; at < n; at += BLOCK) {
        int rows = n - at < BLOCK ? (int)(n - at) : BLOCK;
        double u[BLOCK], v[BLOCK], q[BLOCK], t[BLOCK], s[BLOCK], p[BLOCK];
        score(x + at, n, d, theta, theta[d], q, rows);
        score(x + at, n, d, a, b[0], u, rows);
        score(x + at, n, d, a + d, b[1], v, rows);
        for (int i = 0; i < rows; i++) {
            double top = fmax(fmax(u[i], v[i]), 0), class = y[at + i];
            double first = exp(u[i] - top), second = exp(v[i] - top), third = exp(-top);
            double share = 1 / (first + second + third);
            double own = class == 0 ? first : class == 1 ? second : third;
            t[i] = q[i] + log(own * share) - f0[at + i];
            u[i] = (class == 0) - first * share;
            v[i] = (class == 1) - second * share;
        }
        value += softplus(t, s, rows) - softplus(q, p, rows) + total(f0 + at, rows);
        for (int i = 0; i < rows; i++) {
            u[i] *= s[i];
            v[i] *= s[i];
            p[i] = s[i] - p[i];
        }
        pull(x + at, n, d, p, g, rows);
        g[d] += total(p, rows);
        pull(x + at, n, d, u, ga, rows);
        pull(x + at, n, d, v, ga + d, rows);
        gb[0] += total(u, rows);
        gb[1] += total(v, rows);
    }
    return value;
}
