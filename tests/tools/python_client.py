#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Streams text from a coordinator with stubs that protoc made of proto/inference.proto.

    python_client.py STUBS HOST:PORT PROMPT TOKENS

STUBS is the folder above proto/inference_pb2.py. Prints the text to standard output, token by token,
and what the last message says to standard error.
"""
import sys

import grpc


def main():
    stubs, address, prompt, tokens = sys.argv[1:]
    sys.path.insert(0, stubs)
    from proto import inference_pb2, inference_pb2_grpc

    request = inference_pb2.GenerateRequest(
        prompt=prompt,
        sampling=inference_pb2.Sampling(temperature=0),
        limits=inference_pb2.Limits(max_tokens=int(tokens)),
    )
    messages = 0
    finish = None
    with grpc.insecure_channel(address) as channel:
        client = inference_pb2_grpc.InferenceStub(channel)
        for response in client.Generate(request, timeout=60):
            sys.stdout.write(response.text)
            sys.stdout.flush()
            messages += response.HasField("token")
            if response.HasField("finish"):
                finish = response.finish
        try:
            request.limits.max_tokens = 0
            next(client.Generate(request))
        except grpc.RpcError as error:
            refused = error.code().name
        else:
            refused = "nothing"
    print(f"{messages} messages, {finish.generated_tokens} tokens, {finish.reason}, "
          f"no token wanted: {refused}", file=sys.stderr)


main()
