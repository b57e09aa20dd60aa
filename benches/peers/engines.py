"""The engines of Python, each as it is documented to be fastest on a CPU.

An engine makes encoders, functions from a batch in its own form to logits. It is asked for one encoder with all cores, or
for several that share them out.
"""

import contextlib
import os
import threading

import numpy as np


def padded(windows):
    """Token ids, mask and token types, each `[windows, longest]`."""
    longest = max(len(window["ids"]) for window in windows)
    ids, mask, types = np.zeros((3, len(windows), longest), dtype=np.int64)
    for row, window in enumerate(windows):
        length = len(window["ids"])
        ids[row, :length], types[row, :length], mask[row, :length] = window["ids"], window["type_ids"], 1
    return ids, mask, types


class Engine:
    """What all have in common. Encoders give logits as something that numpy reads, `[windows, longest, tags]`."""

    # Whether several encoders side by side are tried where there are several cores.
    streams = True
    # Whether the first pass of a shape is slower than those after it.
    per_shape = False

    def __init__(self, folder, model):
        self.folder, self.model = folder, model

    def prepare(self, windows):
        """The batch in the engine's own form; not timed."""
        ids, mask, types = padded(windows)
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}

    def context(self):
        """What an encoder runs in."""
        return contextlib.nullcontext()


class OnnxRuntime(Engine):
    """Its own optimiser fuses attention, GELU and layer norms when it loads the file."""

    file = "f32.onnx"

    def version(self):
        import onnxruntime

        return f"ONNX Runtime {onnxruntime.__version__}"

    def encoders(self, count, threads):
        import onnxruntime

        def session():
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
            model = onnxruntime.InferenceSession(
                self.folder / self.file, options, providers=["CPUExecutionProvider"]
            )
            return lambda batch: model.run(["logits"], batch)[0]

        return [session() for _ in range(count)]


class OnnxRuntimeInt8(OnnxRuntime):
    file = "int8.onnx"


class OnnxRuntimeInt8Reduced(OnnxRuntime):
    file = "int8-reduced.onnx"


class OpenVino(Engine):
    """One compiled model with a stream for each encoder, which is how OpenVINO shares out cores."""

    file = "openvino-f32.xml"
    # Without it a processor that has bfloat16 would compute with that.
    hints = {"INFERENCE_PRECISION_HINT": "f32"}
    per_shape = True

    def version(self):
        import openvino

        return f"OpenVINO {openvino.__version__.split('-')[0]}"

    def encoders(self, count, threads):
        import openvino

        settings = {"NUM_STREAMS": count, "INFERENCE_NUM_THREADS": count * threads, **self.hints}
        core = openvino.Core()
        model = core.compile_model(core.read_model(self.folder / self.file), "CPU", settings)

        def encoder():
            request = model.create_infer_request()

            def encode(batch):
                request.infer(batch, share_inputs=True)
                return request.get_output_tensor(0).data.copy()

            return encode

        return [encoder() for _ in range(count)]


class OpenVinoInt8(OpenVino):
    file = "openvino-int8.xml"
    hints = {}


class CTranslate2Int8(Engine):
    """Its encoder, and the head in numpy: 384 numbers to 9 for each token, a three-thousandth of the work."""

    def __init__(self, folder, model):
        super().__init__(folder, model)
        head = np.load(folder / "head.npz")
        self.weight, self.bias = np.ascontiguousarray(head["weight"].T), head["bias"]

    def version(self):
        import ctranslate2

        return f"CTranslate2 {ctranslate2.__version__}"

    def prepare(self, windows):
        from ctranslate2 import StorageView

        ids, mask, types = padded(windows)
        lengths = StorageView.from_array(mask.sum(axis=1).astype(np.int32))
        return StorageView.from_array(ids.astype(np.int32)), lengths, types.tolist()

    def encoders(self, count, threads):
        import ctranslate2

        def encoder():
            model = ctranslate2.Encoder(
                str(self.folder / "ctranslate2"),
                device="cpu",
                compute_type="int8",
                inter_threads=1,
                intra_threads=threads,
            )

            def encode(batch):
                ids, lengths, types = batch
                states = np.asarray(model.forward_batch(ids, lengths, token_type_ids=types).last_hidden_state)
                return states @ self.weight + self.bias

            return encode

        return [encoder() for _ in range(count)]


class PyTorch(Engine):
    """transformers' model with PyTorch's own scaled dot-product attention."""

    def version(self):
        import torch
        import transformers

        return f"PyTorch {torch.__version__.split('+')[0]}, transformers {transformers.__version__}"

    def context(self):
        import torch

        return torch.inference_mode()

    def module(self):
        import export

        return export.load(self.model, "sdpa")

    def prepare(self, windows):
        import torch

        # Without padding the mask is left out, which is a little faster.
        batch = {name: torch.from_numpy(values) for name, values in super().prepare(windows).items()}
        if batch["attention_mask"].all():
            del batch["attention_mask"]
        return batch

    def encoders(self, count, threads):
        import torch

        bert = self.module()
        told = threading.local()

        def encode(batch):
            # PyTorch keeps the number of threads for each thread that calls it.
            if getattr(told, "threads", None) != threads:
                torch.set_num_threads(threads)
                told.threads = threads
            return bert(**batch).logits

        return [encode] * count


class PyTorchCompiled(PyTorch):
    """The same through torch.compile, with shapes left open so that it compiles but once or twice."""

    streams = False

    def module(self):
        import torch

        return torch.compile(super().module(), dynamic=True)

    def prepare(self, windows):
        import torch

        batch = {name: torch.from_numpy(values) for name, values in Engine.prepare(self, windows).items()}
        for values in batch.values():
            torch._dynamo.maybe_mark_dynamic(values, 1)
        return batch


class PyTorchInt8(PyTorch):
    """Linear layers in eight bits, activations scaled as they come."""

    def module(self):
        import torch

        torch.backends.quantized.engine = os.environ.get("PEERS_TORCH_QUANTIZED", "onednn")
        return torch.ao.quantization.quantize_dynamic(super().module(), {torch.nn.Linear}, dtype=torch.qint8)


ENGINES = {
    "ort-f32": OnnxRuntime,
    "ort-int8": OnnxRuntimeInt8,
    "ort-int8-reduced": OnnxRuntimeInt8Reduced,
    "openvino-f32": OpenVino,
    "openvino-int8": OpenVinoInt8,
    "ctranslate2-int8": CTranslate2Int8,
    "torch-f32": PyTorch,
    "torch-compile": PyTorchCompiled,
    "torch-int8": PyTorchInt8,
}
