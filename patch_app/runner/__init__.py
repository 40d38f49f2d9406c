"""What runs on the fork's Actions runner. Standard library only, Python 3.9+, git 2.38+; imports nothing of
ours."""
