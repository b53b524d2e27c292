// Drawing a scene of shapes: background, clutter, shapes with smooth edges, noise.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"
#include "core/random.h"
#include "data/formats/shapes.h"

namespace mld {
namespace {

constexpr uint32_t kBackgroundStream = 0x100000;  // added to the scene's stream
constexpr uint32_t kNoiseStream = 0x200000;
constexpr int kSubpixels = 3;  // a pixel's coverage is sampled at 3 x 3 points

using Rgb = std::array<double, 3>;

struct Point {
  double x, y;
};

// Pixels in floating point until everything is drawn.
class Canvas {
 public:
  explicit Canvas(int size) : size_(size), pixels_(static_cast<size_t>(size) * size) {}

  int size() const { return size_; }
  Rgb& at(int x, int y) { return pixels_[static_cast<size_t>(y) * size_ + x]; }

  // Blends colour(u, v) over the pixels whose points satisfy inside(u, v), in picture units, within
  // `reach` of the centre. Calls hit(px, py) where the pixel's centre is inside.
  template <class Inside, class Colour, class Hit>
  void fill(Point centre, Point reach, Inside&& inside, Colour&& colour, Hit&& hit) {
    const auto edge = [&](double v) { return std::clamp(static_cast<int>(v * size_), 0, size_); };
    const int left = edge(centre.x - reach.x), right = edge(centre.x + reach.x + 1.0 / size_);
    const int top = edge(centre.y - reach.y), bottom = edge(centre.y + reach.y + 1.0 / size_);
    const double unit = 1.0 / size_;
    for (int y = top; y < bottom; ++y) {
      for (int x = left; x < right; ++x) {
        int covered = 0;
        for (int i = 0; i < kSubpixels * kSubpixels; ++i) {
          const double u = (x + (i % kSubpixels + 0.5) / kSubpixels) * unit;
          const double v = (y + (i / kSubpixels + 0.5) / kSubpixels) * unit;
          const bool in = inside(u, v);
          covered += in;
          if (in && i == kSubpixels * kSubpixels / 2) {
            hit(x, y);
          }
        }
        if (covered > 0) {
          const double alpha = static_cast<double>(covered) / (kSubpixels * kSubpixels);
          const Rgb paint = colour((x + 0.5) * unit, (y + 0.5) * unit);
          for (size_t c = 0; c < 3; ++c) {
            at(x, y)[c] += alpha * (paint[c] - at(x, y)[c]);
          }
        }
      }
    }
  }

 private:
  int size_;
  std::vector<Rgb> pixels_;
};

// A colour too dull to be taken for one of the six.
Rgb muted(RandomStream& random) {
  const double grey = random.uniform(0.15, 0.8);
  Rgb rgb;
  for (double& value : rgb) {
    value = grey + random.uniform(-0.09, 0.09);
  }
  return rgb;
}

void draw_background(Canvas& canvas, RandomStream& random) {
  const Rgb from = muted(random), to = muted(random);
  const double angle = random.uniform(0, 2 * std::numbers::pi);
  const double dx = std::cos(angle), dy = std::sin(angle);
  for (int y = 0; y < canvas.size(); ++y) {
    for (int x = 0; x < canvas.size(); ++x) {
      const double u = (x + 0.5) / canvas.size() - 0.5, v = (y + 0.5) / canvas.size() - 0.5;
      const double t = std::clamp(0.5 + 0.7 * (u * dx + v * dy), 0.0, 1.0);
      for (size_t c = 0; c < 3; ++c) {
        canvas.at(x, y)[c] = from[c] + t * (to[c] - from[c]);
      }
    }
  }
}

// Line segments and small blobs, none of them like a shape.
void draw_clutter(Canvas& canvas, RandomStream& random) {
  const auto nothing = [](int, int) {};
  const int pieces = 10 + random.below(11);
  for (int i = 0; i < pieces; ++i) {
    const Rgb paint = muted(random);
    const auto colour = [&](double, double) { return paint; };
    const Point centre{random.uniform(), random.uniform()};
    const double angle = random.uniform(0, std::numbers::pi);
    const double cosine = std::cos(angle), sine = std::sin(angle);
    const bool line = random.coin();
    const double length = line ? random.uniform(0.1, 0.4) : random.uniform(0.02, 0.06);
    const double width = line ? random.uniform(0.005, 0.015) : length * random.uniform(0.4, 1.0);
    const Point reach = line ? Point{length * std::abs(cosine) + width * std::abs(sine),
                                     length * std::abs(sine) + width * std::abs(cosine)}
                             : Point{length, length};
    canvas.fill(
        centre, reach,
        [&](double u, double v) {
          const double a = ((u - centre.x) * cosine + (v - centre.y) * sine) / length;
          const double b = ((v - centre.y) * cosine - (u - centre.x) * sine) / width;
          return line ? std::abs(a) <= 1 && std::abs(b) <= 1 : a * a + b * b <= 1;
        },
        colour, nothing);
  }
}

// Corners on circles of radius `outer` and `inner` in turn: a triangle, a star.
std::vector<Point> polygon(int corners, double outer, double inner) {
  std::vector<Point> points;
  for (int i = 0; i < corners; ++i) {
    const double angle = 2 * std::numbers::pi * i / corners;
    const double radius = i % 2 == 0 ? outer : inner;
    points.push_back({radius * std::cos(angle), radius * std::sin(angle)});
  }
  return points;
}

// Even-odd rule.
bool in_polygon(const std::vector<Point>& points, double x, double y) {
  bool inside = false;
  for (size_t i = 0, j = points.size() - 1; i < points.size(); j = i++) {
    const Point &a = points[i], &b = points[j];
    if ((a.y > y) != (b.y > y) && x < a.x + (b.x - a.x) * (y - a.y) / (b.y - a.y)) {
      inside = !inside;
    }
  }
  return inside;
}

// Whether (u, v) is in a form of radius 1 around the origin.
bool in_form(int form, double u, double v) {
  static const std::vector<Point> triangle = polygon(3, 1.0, 1.0), star = polygon(10, 1.0, 0.45);
  const double square = u * u + v * v, a = std::abs(u), b = std::abs(v);
  switch (form) {
    case 0: return square <= 0.81;
    case 1: return std::max(a, b) <= 0.70;
    case 2: return in_polygon(triangle, u, v);
    case 3: return in_polygon(star, u, v);
    case 4: return std::max(a, b) <= 0.94 && std::min(a, b) <= 0.28;
    default: return square <= 0.95 && square >= 0.36;
  }
}

// The brightness of a shape's texture at (u, v), coordinates that rotate with the shape.
double texture(const SceneShape& shape, double u, double v) {
  const double p = shape.texture_period;
  const auto cell = [&](double t) { return static_cast<int64_t>(std::floor(t / p)) & 1; };
  const auto off = [&](double t) { return t / p - std::floor(t / p) - 0.5; };
  bool dark = false;
  switch (shape.texture) {
    case 0: break;
    case 1: dark = cell(u) != 0; break;
    case 2: dark = cell(u) != cell(v); break;
    default: dark = off(u) * off(u) + off(v) * off(v) < 0.09; break;
  }
  return dark ? 1 - shape.texture_depth : 1;
}

void draw_shape(Canvas& canvas, const SceneShape& shape, int8_t index, std::vector<int8_t>* owner) {
  const double cosine = std::cos(shape.angle), sine = std::sin(shape.angle);
  const auto turned = [&](double u, double v) {
    const double x = u - shape.x, y = v - shape.y;
    return Point{x * cosine + y * sine, y * cosine - x * sine};
  };
  canvas.fill(
      {shape.x, shape.y}, {shape.radius, shape.radius},
      [&](double u, double v) {
        const Point p = turned(u, v);
        return in_form(shape.form, p.x / shape.radius, p.y / shape.radius);
      },
      [&](double u, double v) {
        const Point p = turned(u, v);
        const double bright = texture(shape, p.x, p.y);
        return Rgb{shape.rgb[0] * bright, shape.rgb[1] * bright, shape.rgb[2] * bright};
      },
      [&](int x, int y) {
        if (owner != nullptr) {
          (*owner)[static_cast<size_t>(y) * canvas.size() + x] = index;
        }
      });
}

}  // namespace

Image draw_scene(const Scene& scene, int size, std::vector<int8_t>* owner) {
  constexpr double kNoise = 12;  // the largest change of a pixel's value
  Canvas canvas(size);
  if (owner != nullptr) {
    owner->assign(static_cast<size_t>(size) * size, -1);
  }
  RandomStream random({scene.seed, scene.sample, scene.stream + kBackgroundStream});
  draw_background(canvas, random);
  draw_clutter(canvas, random);
  for (size_t i = 0; i < scene.shapes.size(); ++i) {
    draw_shape(canvas, scene.shapes[i], static_cast<int8_t>(i), owner);
  }
  RandomStream noise({scene.seed, scene.sample, scene.stream + kNoiseStream});
  Image image(size, size);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      uint32_t bits = noise.bits();
      for (size_t c = 0; c < 3; ++c, bits >>= 8) {
        const double grain = (static_cast<double>(bits & 0xFF) / 127.5 - 1) * kNoise;
        const double value = std::clamp(canvas.at(x, y)[c] * 255 + grain, 0.0, 255.0);
        image.pixel(x, y)[c] = static_cast<uint8_t>(std::lround(value));
      }
    }
  }
  return image;
}

}  // namespace mld
