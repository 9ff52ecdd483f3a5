"""What Alembic runs to get at the database: the connection that `store.schema` opened, inside its transaction."""

from alembic import context

from rfs_mail.store.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
context.run_migrations()
