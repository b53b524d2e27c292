// The CPU's step queue: work runs as it is called, so there is nothing to overlap or to capture.
#include "core/step_queue.h"

#include <deque>

#include "core/kernels.h"

namespace mld {
namespace {

class HostQueue : public StepQueue {
 public:
  std::vector<Tensor> upload(const std::vector<Tensor>& host) override { return host; }

  void download(const Tensor& x) override { results_.push_back(x.to_vector()); }

  std::vector<float> result() override {
    require(!results_.empty(), "step queue: result() without a download() in flight");
    std::vector<float> oldest = std::move(results_.front());
    results_.pop_front();
    return oldest;
  }

  size_t lag() const override { return 0; }

  std::unique_ptr<CapturedWork> capture(const std::function<void()>&) override {
    fail("step queue: the CPU has no launches to capture");
  }

 private:
  std::deque<std::vector<float>> results_;
};

}  // namespace

namespace cpu {
std::unique_ptr<StepQueue> step_queue() { return std::make_unique<HostQueue>(); }
}  // namespace cpu

}  // namespace mld
