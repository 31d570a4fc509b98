"""Reads usage from topics of Apache Kafka, and of Azure Event Hubs by its Kafka endpoint."""
