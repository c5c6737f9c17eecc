"""What Sphinx needs beside its own extensions, each in a file of its own."""
