#include "app/report/plot_frame.h"

#include <algorithm>
#include <cmath>

namespace mld {

constexpr double kWidth = 460, kHeight = 250, kTextHeight = 12;

static bool within(const Axis& axis, double value) {
  const double slack = 1e-9 * (axis.high - axis.low);
  return std::isfinite(value) && value >= axis.low - slack && value <= axis.high + slack;
}

bool Frame::shows_x(double value) const { return within(x, value); }

bool Frame::shows(double x_value, double y_value) const {
  return within(x, x_value) && within(y, y_value);
}

std::string series_ink(int colour) {
  constexpr int kColours = 8, kDashes = 4;
  return fmt::format("s{} dash{}", colour % kColours, (colour + colour / kColours) % kDashes);
}

double text_width(std::string_view text) {
  constexpr double kNarrow = 0.58, kWide = 1;
  constexpr uint8_t kFirstWide = 0xE1;  // begins U+1000 ... in UTF-8: Hangul, kana, Han
  double ems = 0;
  for (const char c : text) {
    const bool continues = (c & 0xC0) == 0x80;
    ems += continues ? 0 : static_cast<uint8_t>(c) >= kFirstWide ? kWide : kNarrow;
  }
  return kTextHeight * ems;
}

Frame add_frame(Axis x, Axis y, const std::string& x_label, const std::string& y_label,
                Drawing& drawing) {
  double widest = 0;
  for (const Tick& tick : y.ticks) {
    widest = std::max(widest, text_width(tick.text));
  }
  drawing.width = kWidth;
  drawing.height = kHeight;
  const Frame frame{std::move(x), std::move(y), widest + (y_label.empty() ? 12 : 28), kWidth - 14,
                    10, kHeight - (x_label.empty() ? 22 : 40)};
  for (const Tick& tick : frame.y.ticks) {
    const double at = frame.y_of(tick.value);
    drawing.lines.push_back({frame.left, at, frame.right, at, "grid"});
    drawing.texts.push_back({frame.left - 6, at + 4, "end", tick.text});
  }
  double free_from = -1e9;  // texts must not overlap
  for (const Tick& tick : frame.x.ticks) {
    const double at = frame.x_of(tick.value), half = text_width(tick.text) / 2;
    drawing.lines.push_back({at, frame.bottom, at, frame.bottom + 4, "axis"});
    const double middle = std::min(std::max(at, half), kWidth - half);  // within the drawing
    if (middle - half > free_from) {
      drawing.texts.push_back({middle, frame.bottom + 17, "middle", tick.text});
      free_from = middle + half + 4;
    }
  }
  drawing.lines.push_back({frame.left, frame.bottom, frame.right, frame.bottom, "axis"});
  drawing.lines.push_back({frame.left, frame.top, frame.left, frame.bottom, "axis"});
  if (!x_label.empty()) {
    drawing.texts.push_back({(frame.left + frame.right) / 2, kHeight - 5, "middle", x_label});
  }
  if (!y_label.empty()) {
    drawing.texts.push_back({12, (frame.top + frame.bottom) / 2, "middle", y_label, true});
  }
  return frame;
}

}  // namespace mld
