"""What the Makefile calls: run the labs, build the site, check the export."""
