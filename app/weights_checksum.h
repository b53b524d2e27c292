// Tells weights apart cheaply.
#pragma once

#include <cstdint>
#include <span>

#include "nn/module.h"

namespace mld {

// A checksum of the first 4 KiB of every tensor: other training, other number.
uint32_t weights_checksum(std::span<const StateView> state);

}  // namespace mld
