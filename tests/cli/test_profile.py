"""The command `profile`."""

import json


def test_profile(edgeport):
    made = edgeport("export", "lenet5", "--weights", "random", "--no-validate", "--no-benchmark", "--json", "-o", "out")
    path = json.loads(made.out)["artifact"]
    found = edgeport(
        "profile", path, "--no-probe", "--num-runs", "4", "--by", "operator", "--by", "kernel", "-o", "here"
    )
    assert found.code == 0
    assert "CONV_2D" in found.out
    assert "Convolution (NHWC, F32)" in found.out
    assert "here/profile.html" in found.out
    told = edgeport("profile", path, "--against", path, "--no-probe", "--num-runs", "4", "--json", "-o", "there")
    facts = json.loads(told.out)
    assert facts["target"] == "tflite"
    assert facts["against"]["artifact"] == path
    assert sum(kernel["macs"] for kernel in facts["kernels"]) == 5 * 5 * (6 * 28 * 28 + 6 * 16 * 10 * 10) + sum(
        each[0] * each[1] for each in ((400, 120), (120, 84), (84, 10))
    )
    refused = edgeport("profile", path, "--benchmark-model", "tool")
    assert refused.code == 2
    assert "--benchmark-model is for a device" in refused.err
    damaged = edgeport("profile", "out/lenet5/lenet5_fp32.tflite.json")
    assert damaged.code == 2
