"""Everything that is checked of Sevengate, by how much of it has to run."""
