"""The provider's API as typed calls: one file a transport, one for answers, one for codes."""
