// What the kinds of single blocks share.
#pragma once

#include <functional>

#include "nn/module.h"
#include "tests/parity/fixture.h"

namespace mld::parity {

using Forward = std::function<Var(const Var& x)>;

// In training and in evaluation: y, every gradient, the buffers after a training step; and
// evaluation with the norms folded. Norms get config.bn_momentum and config.bn_eps.
void compare_modes(Fixture& fixture, Module& block, const Forward& forward);

void run_tresnet_basic(Fixture& fixture);
void run_tresnet_bottleneck(Fixture& fixture);
void run_conv_abn(Fixture& fixture);
void run_squeeze_excite(Fixture& fixture);
void run_block_operators(Fixture& fixture);
void run_tresnet_tiny(Fixture& fixture);

}  // namespace mld::parity
