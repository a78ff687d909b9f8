"""The provider client."""
