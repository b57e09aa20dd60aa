"""Turns the model folder into the form that each engine reads. Run by run.sh, once for a model and its calibration texts.

For int8 more is tried than is used: README.md says what was chosen and why.
"""

import argparse
import json
import logging
import warnings
from pathlib import Path

import numpy as np
import torch
import transformers

INPUTS = ["input_ids", "attention_mask", "token_type_ids"]


def read_windows(path):
    """The windows that `dateline-peer tokens` wrote."""
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def load(model, attention):
    """The model in PyTorch, in single precision: its file may hold half precision."""
    transformers.utils.logging.disable_progress_bar()
    return transformers.BertForTokenClassification.from_pretrained(
        model, attn_implementation=attention, dtype=torch.float32
    ).eval()


def feeds(windows):
    """Each window as a batch of one."""
    for window in windows:
        ids = np.array([window["ids"]], dtype=np.int64)
        yield {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.array([window["type_ids"]], dtype=np.int64),
        }


def to_onnx(model, path):
    """The exporter that traces, and attention as plain products: ONNX Runtime's fusions know these patterns, and not
    those of torch.export."""
    bert = load(model, "eager")
    bert.config.return_dict = False
    ids = torch.randint(5, 3000, (2, 17))
    mask = torch.ones_like(ids)
    mask[1, 9:] = 0
    axes = {name: {0: "batch", 1: "tokens"} for name in [*INPUTS, "logits"]}
    with torch.inference_mode():
        torch.onnx.export(
            bert,
            (ids, mask, torch.zeros_like(ids)),
            path,
            input_names=INPUTS,
            output_names=["logits"],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )


def to_onnx_int8(source, path, **options):
    """Weights of the linear layers in eight bits, a scale for each output; activations are scaled as they come."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        source,
        path,
        weight_type=QuantType.QInt8,
        per_channel=True,
        extra_options={"MatMulConstBOnly": True},
        **options,
    )


def to_openvino(source, folder, calibration):
    """In single precision, and with weights and activations in eight bits, scaled on the calibration windows."""
    import nncf
    import openvino as ov

    model = ov.convert_model(source)
    ov.save_model(model, folder / "openvino-f32.xml", compress_to_fp16=False)
    quantised = nncf.quantize(
        model,
        nncf.Dataset(list(feeds(calibration))),
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.PERFORMANCE,
        subset_size=len(calibration),
    )
    ov.save_model(quantised, folder / "openvino-int8.xml", compress_to_fp16=False)


def to_ctranslate2(model, folder):
    """The encoder only: CTranslate2 has no head for tokens, and engines.py computes it. What the converter takes for a
    pooling layer is not in the file, so its numbers are random, and nobody reads its output."""
    import ctranslate2

    converter = ctranslate2.converters.TransformersConverter(str(model))
    # The default, the precision of the file, would round what is computed from it.
    converter.load_model = lambda kind, name, **arguments: kind.from_pretrained(
        name, **{**arguments, "dtype": torch.float32}
    )
    converter.convert(str(folder / "ctranslate2"), quantization="int8", force=True)
    head = load(model, "eager").classifier
    np.savez(folder / "head.npz", weight=head.weight.detach().numpy(), bias=head.bias.detach().numpy())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="the folder of the model")
    parser.add_argument("--calibration", type=Path, required=True, help="windows to scale activations by")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    args.out.mkdir(parents=True, exist_ok=True)
    calibration = read_windows(args.calibration)
    onnx = args.out / "f32.onnx"
    to_onnx(args.model, onnx)
    to_onnx_int8(onnx, args.out / "int8.onnx", op_types_to_quantize=["MatMul"])
    to_onnx_int8(onnx, args.out / "int8-reduced.onnx", op_types_to_quantize=["MatMul"], reduce_range=True)
    to_openvino(onnx, args.out, calibration)
    to_ctranslate2(args.model, args.out)


if __name__ == "__main__":
    main()
