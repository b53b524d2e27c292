// A picture with labels: scores as bars and, where they are given, maps of attention laid over it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/label_attention.h"
#include "app/predictions.h"
#include "app/report/slots.h"
#include "data/image.h"
#include "data/preprocess.h"

namespace mld {

struct LabelledPicture {
  struct ShownLabel {
    std::string name;
    double score = 0;  // 0 to 1
    bool above = false, seen = true;
    std::optional<double> threshold{};
    std::vector<uint8_t> overlay{};  // a JPEG file; empty: none
    double peak = 0;                 // of its map (peak_of)
    std::vector<std::string> sharing{};  // other classes with the same map
  };
  std::string name;
  std::vector<uint8_t> jpeg;
  std::vector<ShownLabel> labels;

  // The picture with at most so many pixels a side. `seen`: the part of it that the model saw.
  LabelledPicture(std::string name, const Image& small, const SeenPart& seen);
  // Labels in the order in which they are shown.
  void add(const Prediction& prediction, const LabelMap* looked = nullptr);

 private:
  int width_, height_;
  SeenPart seen_;
};

// The bytes of HTML that it takes at most.
size_t bytes_of(const LabelledPicture& picture);

// Puts it at {{>CARD}}.
void show(const LabelledPicture& picture, const Slots& to);

}  // namespace mld
