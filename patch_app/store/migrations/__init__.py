"""How the schema came to be, one file a change. Run by `store.database.migrate`, never by hand."""
