"""One module a change of the schema; each follows the one it names as `down_revision`."""
