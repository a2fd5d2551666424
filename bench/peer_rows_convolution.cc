// Rows of convolutions 3x3 of 64 features at 56x56: channels first and last, with stride, depthwise, and both gradients.
#include "tenon/bench/peer_row.h"

namespace tenon::bench {
namespace {

constexpr int64_t images = 4, features = 64, side = 56;
constexpr double macs = double{images} * side * side * features * features * 9;

Tensor image() { return normal(key(31), {images, features, side, side}); }
Tensor kernel(int64_t groups) { return normal(key(32), {features, features / groups, 3, 3}) * 0.05f; }

PeerRow forward_row(const std::string& name, int64_t stride, int64_t groups) {
  PeerRow row{name, "conv",
              R"({"stride": )" + std::to_string(stride) + R"(, "groups": )" + std::to_string(groups) + "}", [=] {
                const auto f = [=](const Tensor& x, const Tensor& w) {
                  return conv2d(x, w, {.stride = stride, .padding = 1, .groups = groups});
                };
                return jitted(f, image(), kernel(groups));
              }};
  row.flops = 2 * macs / static_cast<double>(stride * stride * groups);
  return row;
}

template <int Of>
PeerRow gradient_row(const std::string& name) {
  PeerRow row{name, "conv gradient", R"({"of": )" + std::to_string(Of) + "}", [] {
                const auto f = [](const Tensor& x, const Tensor& w, const Tensor& c) {
                  return sum(conv2d(x, w, {.padding = 1}) * c);
                };
                return jitted(grad<Of>(f), image(), kernel(1), normal(key(33), {images, features, side, side}));
              }};
  row.flops = 2 * macs;
  return row;
}

}  // namespace

void add_convolution_rows(PeerRows& rows) {
  rows.push_back(forward_row("conv 3x3 NCHW, 4x64x56x56", 1, 1));
  PeerRow last{"conv 3x3 NHWC, 4x56x56x64", "conv", R"({"layout": "NHWC"})", [] {
                 const auto f = [](const Tensor& x, const Tensor& w) {
                   return convolution(x, w, {.low = {1, 1}, .high = {1, 1}});
                 };
                 return jitted(f, normal(key(31), {images, side, side, features}),
                               normal(key(32), {3, 3, features, features}) * 0.05f);
               }};
  last.flops = 2 * macs;
  rows.push_back(last);
  rows.push_back(gradient_row<0>("conv 3x3 gradient of input"));
  rows.push_back(gradient_row<1>("conv 3x3 gradient of kernel"));
  rows.push_back(forward_row("conv 3x3 stride 2", 2, 1));
  rows.push_back(forward_row("conv 3x3 depthwise", 1, features));
}

}  // namespace tenon::bench
