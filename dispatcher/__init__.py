"""What the dispatcher knows: campaigns, chunks, results, and the provider they go to."""
