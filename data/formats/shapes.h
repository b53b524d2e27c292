// The built-in data set: coloured, textured shapes on a cluttered background, drawn from a seed.
//
// A sample is a pure function of (seed, split, index, size): no file, no state, the same pictures
// on every machine with the same processor arithmetic. Labels are colour x shape: 6 x 6 classes.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "data/image.h"

namespace mld {

constexpr std::array<const char*, 6> kShapeColours = {"red",  "yellow", "green",
                                                      "cyan", "blue",   "magenta"};
constexpr std::array<const char*, 6> kShapeForms = {"circle", "square", "triangle",
                                                    "star",   "cross",  "ring"};
constexpr int kShapeClasses = 36;

// Class colour * 6 + form is "red circle", "red square", ...
std::vector<std::string> shape_class_names();

// Zero-shot: 9 of the 36 pairs of colour and form are unseen. Every colour is seen in at least four
// forms and every form in at least four colours.
bool shape_pair_unseen(int colour, int form);

// Word vectors of the classes: the normalised sum of a vector of the colour and one of the form,
// which are random directions, the same in every run. So an unseen pair lies where the seen pairs
// of its colour and those of its form meet.   -> f32 [names, 300], of unit length
// Errors: DataError for a name that is none of shape_class_names().
Tensor shape_vectors(std::span<const std::string> names);

// One shape of a scene. Lengths are relative to the picture's side, from the top left.
struct SceneShape {
  int colour = 0, form = 0;
  double x = 0, y = 0, radius = 0;  // of the circle around the shape
  double angle = 0;                 // radians
  std::array<double, 3> rgb{};      // 0 to 1
  int texture = 0;                  // 0 plain, 1 stripes, 2 checks, 3 dots
  double texture_period = 0, texture_depth = 0;

  int label() const { return colour * static_cast<int>(kShapeForms.size()) + form; }
};

// What is drawn in a sample: 1 to 5 shapes, the later ones in front.
struct Scene {
  std::vector<SceneShape> shapes;
  uint64_t seed = 0, sample = 0;  // of the background
  uint32_t stream = 0;
};

Scene shapes_scene(uint64_t seed, const std::string& split, int64_t index);

// Draws a scene with size x size pixels. `owner`, if given, gets for each pixel [size, size] the
// index of the front shape that covers its centre, -1 for the background.
Image draw_scene(const Scene& scene, int size, std::vector<int8_t>* owner = nullptr);

struct ShapesExport {
  uint64_t seed = 42;
  int image_size = 64;
  int64_t train = 1000, val = 200, test = 0;  // pictures per split; 0 = no such split
  bool jpeg = false;                          // else PNG, which keeps every bit
  int jpeg_quality = 95;
};

// Writes the data set as a COCO folder: annotations/instances_<split>.json with boxes and areas of
// the visible parts, and the pictures in <split>/. data.format = "coco" reads the same labels back.
// A completely hidden shape has no annotation (so its label may be missing; the drawing rule makes
// this rare).
// Errors: DataError if a file cannot be written or `folder` exists and is not empty.
void export_shapes(const std::filesystem::path& folder, const ShapesExport& options);

}  // namespace mld
