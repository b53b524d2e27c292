#include "app/report/labelled_picture.h"

#include <algorithm>
#include <filesystem>

#include "app/attention_map.h"
#include "app/report/pictures.h"
#include "data/text.h"
#include "train/thresholds.h"

namespace mld {

LabelledPicture::LabelledPicture(std::string name_, const Image& small, const SeenPart& seen)
    : name(std::move(name_)), jpeg(thumbnail(small, std::max(small.width, small.height))),
      width_(small.width), height_(small.height), seen_(seen) {}

void LabelledPicture::add(const Prediction& prediction, const LabelMap* looked) {
  // A map has a few cells a side: the page stretches it, as smooth as it is.
  constexpr int kSide = 64;
  const AskedLabel& asked = *prediction.label;
  ShownLabel label{.name = asked.name, .score = double{prediction.score},
                   .above = prediction.above, .seen = asked.seen,
                   .threshold = prediction.threshold};
  if (looked != nullptr) {
    const int longer = std::max(width_, height_);
    const auto side = [&](int own) {
      return std::max(1, static_cast<int>(int64_t{own} * std::min(longer, kSide) / longer));
    };
    label.overlay = thumbnail(
        attention_colours(side(width_), side(height_), looked->map, seen_), kSide);
    label.peak = peak_of(looked->map);
    std::ranges::copy_if(looked->sharing, std::back_inserter(label.sharing),
                         [&](const auto& other) { return other != asked.name; });
  }
  labels.push_back(std::move(label));
}

static std::string shared_text(const LabelledPicture::ShownLabel& label) {
  return "the same map for " + name_list(label.sharing);
}

size_t bytes_of(const LabelledPicture& picture) {
  constexpr size_t kMarkup = 500, kLabelMarkup = 700;  // with the texts that are always there
  size_t bytes = kMarkup + 2 * name_bytes(picture.name) + picture_bytes(picture.jpeg);
  for (const LabelledPicture::ShownLabel& label : picture.labels) {
    bytes += kLabelMarkup + name_bytes(label.name);
    if (!label.overlay.empty()) {
      bytes += picture_bytes(label.overlay) + name_bytes(label.name);
    }
    if (!label.sharing.empty()) {
      bytes += name_bytes(shared_text(label));
    }
  }
  return bytes;
}

static void show_label(const LabelledPicture::ShownLabel& label, const Slots& to) {
  const auto percent = [](double share) { return fmt::format("{:.1f}", 100 * share); };
  Slots row = to.section("LABEL");
  row.set("KIND", fmt::format("{}{}", label.above ? "above" : "below",
                              label.overlay.empty() ? "" : " mapped"));
  row.set_name("NAME", label.name);
  row.set("SCORE", percent(label.score));
  if (!label.seen) {
    row.show("UNSEEN");
  }
  if (label.threshold) {
    const std::string at = threshold_text(*label.threshold, 1, 100);
    if (*label.threshold > 1) {
      row.show("THRESHOLD", "TEXT", at);
    } else {
      row.show("TICK", "AT", at);
      row.show("THRESHOLD", "TEXT", (label.above ? "≥ " : "< ") + at);
    }
  }
  if (!label.overlay.empty()) {
    Slots looked = row.section("LOOKED");
    looked.set("PEAK", fmt::format("{:.1f}", label.peak));
    if (!label.sharing.empty()) {
      looked.show("SHARED", "TEXT", shared_text(label));
    }
  }
}

// The end of a path tells pictures apart: its last folder and the file's name.
static std::string short_name(const std::string& name) {
  const std::filesystem::path path = name;
  return (path.parent_path().filename() / path.filename()).native();
}

void show(const LabelledPicture& picture, const Slots& to) {
  Slots card = to.include("CARD", "labelled_picture.html");
  show_picture(card, picture.jpeg, picture.name);
  card.set_name("FILE", short_name(picture.name));
  card.set("FILE_FULL", picture.name);
  for (const LabelledPicture::ShownLabel& label : picture.labels) {
    if (!label.overlay.empty()) {
      show_picture(card.section("OVERLAY"), label.overlay,
                   "Where the model looks for " + label.name);
    }
    show_label(label, card);
  }
}

}  // namespace mld
