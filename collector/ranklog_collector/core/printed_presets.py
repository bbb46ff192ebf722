"""Ready rules for what common trainers print. Pure data."""

from __future__ import annotations

from collections.abc import Mapping

from ranklog_collector.core.printed_rules import Rule

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?(?i:nan|inf(?:inity)?)"
VALUE = f"(?P<value>{_NUMBER})"


def _metric(name: str) -> str:
    return f"(?P<{name}>{_NUMBER})"


PRESETS: Mapping[str, tuple[Rule, ...]] = {
    # {'loss': 1.2, 'learning_rate': 5e-05, 'epoch': 0.3}
    "huggingface": (Rule("huggingface", f"'(?P<name>[\\w./@-]+)': '?{VALUE}'?[,}}]", r"^\s*\{'[\w./@-]+': .*\}\s*$"),),
    # Epoch 3: 100%|████| 40/40 [00:01<00:00, 31.2it/s, v_num=0, train_loss=0.31]
    "tqdm": (
        Rule(
            "tqdm",
            f"[ ,\\[](?P<name>[A-Za-z_][\\w./-]*)={VALUE}[,\\] ]",
            r"(?:[Ee]poch:? (?P<step>\d+)\b.*)?\d+%\|.*\| *\d+/\d+ \[",
            ignore=("v_num",),
        ),
    ),
    # 1875/1875 - 3s - 2ms/step - accuracy: 0.91 - loss: 0.31 - val_loss: 0.2
    "keras": (
        Rule("keras", f" - (?P<name>[A-Za-z_][\\w./-]*): {VALUE}", r"\b\d+/\d+ .*\d+[mun]?s(?:/\w+)? - [A-Za-z_]"),
    ),
    # iteration      100/    1000 | consumed samples: 800 | learning rate: 1.500E-04 | lm loss: 1.234E+00 |
    "megatron": (
        Rule("megatron", f"\\| *(?P<name>[A-Za-z][\\w ()/%-]*?) *: +{VALUE}", r"iteration +(?P<step>\d+)/ *\d+ \|"),
    ),
    # [Rank 0] step=10, skipped=0, lr=[0.0001], mom=[(0.9, 0.999)]
    # steps: 10 loss: 1.2 iter time (s): 0.1 samples/sec: 64
    "deepspeed": (
        Rule("deepspeed", f"(?P<name>skipped|lr)=\\[?{VALUE}", r"\[Rank \d+\] step=(?P<step>\d+), "),
        Rule(
            "deepspeed pipeline",
            f"(?P<name>loss|iter time \\(s\\)|samples/sec): +{VALUE}",
            r"\bsteps: (?P<step>\d+) loss: ",
        ),
    ),
    # Train Epoch: 1 [640/60000 (1%)]	Loss: 2.3 · Test set: Average loss: 0.05, Accuracy: 9830/10000 (98%)
    # Epoch: [0][  10/5005]	Time  0.21 ( 0.43)	Loss 6.9e+00 (7.0e+00)	Acc@1   0.00 (  0.11)
    "pytorch": (
        Rule(
            "pytorch mnist",
            rf"Train Epoch: {_metric('epoch')} \[\d+/\d+ \(\d+%\)\]\s+Loss: {_metric('loss')}",
        ),
        Rule(
            "pytorch mnist test",
            rf"Test set: Average loss: {_metric('test_loss')}, Accuracy: \d+/\d+ \({_metric('test_accuracy')}%\)",
        ),
        Rule(
            "pytorch imagenet",
            f"\t(?P<name>[A-Za-z][\\w@]*) +{VALUE} \\(",
            rf"Epoch: \[{_metric('epoch')}\]\[ *\d+/\d+\]",
        ),
    ),
    # iter 10: loss 2.3456, time 123.45ms, mfu 12.34% · step 250: train loss 1.9, val loss 2.0
    "nanogpt": (
        Rule("nanogpt", f"[ ,](?P<name>loss|time|mfu) {VALUE}", r"^iter (?P<step>\d+): loss "),
        Rule(
            "nanogpt evaluation",
            rf"^step (?P<step>\d+): train loss {_metric('train_loss')}, val loss {_metric('val_loss')}",
        ),
    ),
    # [10]	train-auc:0.91	test-auc:0.87 · [10]	valid_0's auc: 0.91	valid_0's binary_logloss: 0.2
    "boosting": (
        Rule("boosting", f"\t(?P<name>[\\w@.'/-]+(?: [\\w@.-]+)?): ?{VALUE}", r"(?:^|\] ?)\[(?P<step>\d+)\]\t.*:"),
    ),
}
