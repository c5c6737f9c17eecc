"""The variants of the suite, one file each; `bayes_cmoe.variants()` finds them by themselves."""
