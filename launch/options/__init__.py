"""Where do names meet classes? Below this room there are objects only."""
