"""A package, since one of the libraries installs a package of this name, which would otherwise be found first."""
