"""What a connector is written against: Protocols, capabilities, the wire done once."""
