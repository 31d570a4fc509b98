"""The MQTT 5 source: usage from devices that send it when they can."""
