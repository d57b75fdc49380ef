from typing import final


@final
class BadInput(ValueError):
    """Something that the user gave can't be used. The message is one sentence that says what to do instead."""
