"""What a mixture is made of: data, families, gates, experts, frozen experts, priors."""
