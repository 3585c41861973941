"""The channels: one file each, with its settings and how it sends; `shared.destinations` reads the folder."""
