"""`dispatcher completion`: what a shell needs to complete commands and options."""

import click
from click.shell_completion import get_completion_class

from dispatcher.cli.command import command
from dispatcher.cli.output import Output


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@command
def completion(output: Output, shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    bash   eval "$(dispatcher completion bash)"       in ~/.bashrc
    zsh    eval "$(dispatcher completion zsh)"        in ~/.zshrc
    fish   dispatcher completion fish | source        in ~/.config/fish/config.fish
    """
    made = get_completion_class(shell)
    assert made is not None, shell
    script = made(click.get_current_context().find_root().command, {}, "dispatcher", "_DISPATCHER_COMPLETE").source()
    output.answer({"shell": shell, "script": script})
    if not output.as_json:
        click.echo(script)
