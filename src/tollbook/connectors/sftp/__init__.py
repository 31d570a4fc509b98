"""A directory of an SFTP server as a source of usage."""
