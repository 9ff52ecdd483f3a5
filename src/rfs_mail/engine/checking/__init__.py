"""What `check` looks at beyond the shape of the files, one kind of question a file."""
