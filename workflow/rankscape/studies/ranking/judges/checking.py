"""Whether a judge can be asked: key, address and model, without spending anything."""

import shlex
import shutil

from rankscape.foundation.errors import JudgeError
from rankscape.studies.ranking.judges.judges import read_key
from rankscape.studies.ranking.judges.questions import endpoint_name
from rankscape.studies.ranking.judges.services import check_model, list_models
from rankscape.studies.ranking.settings.judges import JudgeSettings


def check_judge(name: str, settings: JudgeSettings) -> str:
    """Ask a judge's endpoint which models it has; no question is asked.

    Args:
        name: Name of the judge.
        settings: Address, model, key variable or command.

    Returns:
        What was found, in a few words.

    Raises:
        JudgeError: If the endpoint does not answer, refuses the key, or has no such model.
        SecretError: If the key variable is not set.
    """
    key = read_key(name, settings)
    if settings.kind == "stand-in":
        return "answers in process; nothing to check"
    if settings.command is not None:
        return _command_found(name, settings.command)
    try:
        models = list_models(settings.base_url, key)
    except JudgeError as error:
        said = f", key from {settings.key_variable}" if settings.key_variable else ", no key_variable"
        raise JudgeError(f"Judge {name} at {endpoint_name(settings)}{said}: {error}.") from None
    check_model(settings.model, models, name, endpoint_name(settings))
    return f"{endpoint_name(settings)} has {settings.model}"


def _command_found(name: str, command: str) -> str:
    words = [word for word in shlex.split(command) if "=" not in word and word != "exec"]
    if words and shutil.which(words[0]):
        return f"is started by the workflow: {words[0]} is on this machine"
    raise JudgeError(
        f"Judge {name} is started by the workflow, but {words[0] if words else 'its program'} is not on this machine: "
        "install it, or check on the node that runs the job."
    )
