"""The steps from one version of the schema to the next. Alembic runs them; `store.schema` calls Alembic."""
