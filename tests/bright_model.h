// A model that is made to look at what is bright, and pictures with a bright square.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "models/registry.h"
#include "tests/data_files.h"
#include "train/checkpoint.h"

namespace mld::test {

inline constexpr int kSide = 64, kPatch = 8, kCells = kSide / kPatch;  // of clip_vit_tiny's picture

inline float& element(const StateDict& state, const std::string& name, int64_t i) {
  const auto found = std::ranges::find(state, name, &StateDict::value_type::first);
  REQUIRE_MESSAGE(found != state.end(), name);
  return found->second.data<float>()[i];
}

// A ViT whose blocks do nothing: channel 0 of a token is its patch's brightness, channel 1 is
// constant. A query's head 0 then scores a token by channel 0, times the query's own channel 0.
struct Bright {
  CheckpointInfo info;
  StateDict state;

  explicit Bright(const std::vector<std::string>& names, int64_t groups = -1) {
    info.preprocess.image_size = kSide;
    info.class_names = names;
    info.model = {.backbone = "clip_vit_tiny", .classes = std::ssize(names), .groups = groups,
                  .embed_dim = 16, .ffn = 8};
    const auto model = make_model(info.model);
    initialize(*model, 7);
    state = state_dict(*model);
    const int64_t queries = groups > 0 ? groups : std::ssize(names);
    for (auto& [name, tensor] : state) {
      const bool norm = name.find("ln_") != std::string::npos ||
                        name.find(".norm") != std::string::npos;
      if (!(norm && name.ends_with("weight"))) {
        tensor = Tensor::zeros(tensor.shape());
      }
    }
    for (int i = 0; i < 3 * kPatch * kPatch; ++i) {
      element(state, "visual.conv1.weight", i) = 10.0f / (3 * kPatch * kPatch);
    }
    for (int cell = 0; cell <= kCells * kCells; ++cell) {
      element(state, "visual.positional_embedding", cell * 192 + 1) = 5;
    }
    element(state, "head.decoder.embed_standart.weight", 0) = 1;
    const std::string attention = "head.decoder.layers.0.multihead_attn.in_proj_weight";
    for (const int64_t block : {0, 1}) {  // queries, keys
      element(state, attention, block * 16 * 16) = 1;
    }
    // The first query looks at what is bright, the others at what is not.
    for (int64_t q = 0; q < queries; ++q) {
      element(state, "head.decoder.query_embed.weight", q * 16) = q == 0 ? 1.0f : -1.0f;
    }
  }
  std::string save(const TemporaryFolder& folder, const std::string& name = "bright") const {
    const fs::path file = folder.path() / fmt::format("{}.safetensors", name);
    save_model(file, state, info);
    return file.string();
  }
};

// A dark picture with one bright square of kPatch pixels times `scale`.
inline void write_spot(const TemporaryFolder& folder, const std::string& name, int width,
                       int height, int left, int top, int side) {
  std::string pixels(static_cast<size_t>(width * height) * 3, '\x10');
  for (int y = top; y < top + side; ++y) {
    for (int x = left * 3; x < (left + side) * 3; ++x) {
      pixels[static_cast<size_t>(y * width * 3 + x)] = '\xf0';
    }
  }
  folder.write(name, fmt::format("P6 {} {} 255\n", width, height) + pixels);
}

}  // namespace mld::test
