"""patch_app: a GitHub App that keeps forks alive."""
