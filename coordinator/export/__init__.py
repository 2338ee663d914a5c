"""Tables out, for whoever counts elsewhere: what is written, as which columns, and in which kind of file."""
