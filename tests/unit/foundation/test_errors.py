import inspect

from rankscape.foundation import errors


def all_errors() -> list[type[Exception]]:
    return [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, Exception)]


def test_every_error_stands_below_one_and_says_whose_mistake_it_is():
    for error in all_errors():
        assert issubclass(error, errors.RankscapeError)
        assert error.exit_code == (2 if issubclass(error, errors.InputError) else 1)
        assert error.__doc__


def test_the_users_mistakes_and_ours_are_told_apart():
    assert issubclass(errors.SettingsError, errors.InputError)
    assert not issubclass(errors.DiskError, errors.InputError)
    assert not issubclass(errors.JudgeError, errors.InputError)
