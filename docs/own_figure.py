"""A figure of one's own. Run: metarule figure own_figure:spectrum default, in this folder."""

import matplotlib.pyplot as plt
import numpy as np
from metarule import Drawing, UnsupervisedEncoder
from metarule.tasks import load


def spectrum(request):
    """How the variance of the features is spread over their principal components, before and after training."""
    x = load(request.tasks[0], request.data_dir).train_inputs()
    figure, axes = plt.subplots(layout="constrained")
    rows = []
    for steps in (0, request.steps):
        encoder = UnsupervisedEncoder(request.trained, steps=steps, random_state=0)
        shares = np.sort(np.linalg.eigvalsh(np.cov(encoder.fit_transform(x).T)))[::-1]
        shares = shares / shares.sum()
        axes.semilogy(range(1, len(shares) + 1), np.maximum(shares, 1e-8), label=f"{steps} inner steps")
        rows += [{"steps": steps, "component": place, "share": float(share)} for place, share in enumerate(shares, 1)]
    axes.set(xlabel="principal component", ylabel="share of the variance")
    axes.legend()
    return Drawing(figure, "Spectrum of the features", f"Features of {request.tasks[0]}, one base model.", rows)
