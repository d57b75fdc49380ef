from typing import final


@final
class BadInput(ValueError):
    """Raised for unusable input from the user. The message is one sentence that says what to do instead."""
