"""The machine and the checkout a release starts from."""
