"""Certificates, trust chains, provisioning profiles and keychains: who may sign what, and who vouches for them."""
