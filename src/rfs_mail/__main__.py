"""`python -m rfs_mail` is `rfs-mail`."""

from rfs_mail.cli import main

if __name__ == "__main__":
    main()
