"""Tells three species of iris apart: softmax regression by gradient descent, Python's standard library only.

    python3 train.py [--seed N] [--epochs N] [--rate R]

The seed decides which 30 of the 150 flowers are kept for the test and where the weights start. Writes model.json.
"""

import argparse
import csv
import json
import math
import os
import random

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=4000)
    parser.add_argument("--rate", type=float, default=0.1)
    options = parser.parse_args()
    chance = random.Random(options.seed)

    names, flowers, species = read(os.path.join(HERE, "iris.csv"))
    chance.shuffle(flowers)
    test, train = flowers[:30], flowers[30:]
    scale = scaling(train)
    test, train = standardize(test, scale), standardize(train, scale)
    weights = [[chance.gauss(0, 0.5) for _ in range(len(names) + 1)] for _ in species]

    print(f"{len(train)} flowers to learn from, {len(test)} to test on, seed {options.seed}")
    for epoch in range(1, options.epochs + 1):
        loss = descend(weights, train, options.rate)
        if epoch == 1 or epoch % (options.epochs // 10 or 1) == 0:
            print(f"epoch {epoch:4d}  loss {loss:.4f}  test accuracy {accuracy(weights, test):.3f}")

    model = {"seed": options.seed, "features": names, "species": species, "scale": scale, "weights": weights,
             "loss": loss, "test_accuracy": accuracy(weights, test)}
    with open("model.json", "w") as file:
        json.dump(model, file, indent=2)
    print("saved model.json")


def read(path):
    with open(path, newline="") as file:
        rows = list(csv.reader(file))
    names = rows[0][:-1]
    species = sorted({row[-1] for row in rows[1:]})
    return names, [([float(value) for value in row[:-1]], species.index(row[-1])) for row in rows[1:]], species


def scaling(flowers):
    """Mean and standard deviation of each feature."""
    columns = list(zip(*(features for features, _ in flowers)))
    means = [sum(column) / len(column) for column in columns]
    return [(mean, math.sqrt(sum((value - mean) ** 2 for value in column) / len(column)))
            for mean, column in zip(means, columns)]


def standardize(flowers, scale):
    """Each feature in standard deviations from its mean, and a constant 1 for the bias."""
    return [([(value - mean) / deviation for value, (mean, deviation) in zip(features, scale)] + [1.0], label)
            for features, label in flowers]


def probabilities(weights, features):
    scores = [sum(w * x for w, x in zip(row, features)) for row in weights]
    top = max(scores)
    powers = [math.exp(score - top) for score in scores]
    return [power / sum(powers) for power in powers]


def descend(weights, flowers, rate):
    """One step down the gradient of the mean cross-entropy; returns the loss before it."""
    gradient = [[0.0] * len(row) for row in weights]
    loss = 0.0
    for features, label in flowers:
        found = probabilities(weights, features)
        loss -= math.log(found[label])
        for k, probability in enumerate(found):
            error = probability - (k == label)
            for j, value in enumerate(features):
                gradient[k][j] += error * value
    for row, slope in zip(weights, gradient):
        for j, value in enumerate(slope):
            row[j] -= rate * value / len(flowers)
    return loss / len(flowers)


def accuracy(weights, flowers):
    hits = 0
    for features, label in flowers:
        found = probabilities(weights, features)
        hits += found.index(max(found)) == label
    return hits / len(flowers)


if __name__ == "__main__":
    main()
