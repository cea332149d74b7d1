import pytest
import torch

from clearcall.training.teachers.channel_norm import use_channel_norms
from clearcall.training.vision import load_spandrel


@pytest.fixture
def networks():
    load_spandrel()
    from spandrel.architectures.NAFNet.__arch.NAFNet_arch import NAFNet

    torch.manual_seed(0)
    theirs, ours = (NAFNet(width=4, middle_blk_num=1, enc_blk_nums=[1], dec_blk_nums=[1]) for _ in range(2))
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    ours.load_state_dict(theirs.state_dict())
    use_channel_norms(ours)
    return theirs, ours


def test_a_network_computes_what_it_did_and_so_do_its_gradients(networks):
    frames, results = torch.rand(2, 3, 16, 24), []
    for network in networks:
        output = network(frames)
        output.square().mean().backward()
        results.append((output, [parameter.grad for parameter in network.parameters()]))
    (expected, wanted), (found, gradients) = results
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert all(torch.allclose(a, b, rtol=1e-3, atol=1e-5) for a, b in zip(gradients, wanted, strict=True))


def test_weights_keep_their_names_and_no_layer_is_left(networks):
    theirs, ours = networks
    assert list(theirs.state_dict()) == list(ours.state_dict())
    assert not [layer for layer in ours.modules() if type(layer).__name__ == "LayerNorm2d"]
