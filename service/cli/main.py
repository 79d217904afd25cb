"""The command `stepwatch`: one table of commands."""

import typer

from service.cli import check, demo, evaluate, models, replay, serve, train

app = typer.Typer(
    name="stepwatch",
    help="Streaming anomaly detection for metric vectors with a stateful recurrent network.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
for command in (
    demo.demo,
    serve.serve,
    train.train,
    models.models,
    replay.replay,
    evaluate.evaluate,
    check.check,
):
    app.command()(command)
