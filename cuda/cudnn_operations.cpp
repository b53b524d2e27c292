// A convolution and what follows it as operations of cuDNN's graph interface.
#include <fmt/ranges.h>

#include "cuda/cudnn_descriptors.h"

namespace mld::cuda {
namespace {

cudnnDataType_t type_of(DType dtype) {
  return dtype == DType::bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

// NHWC or OHWI in memory; cuDNN lists dimensions N, C, H, W whatever the layout.
Descriptor tensor(const Shape& s, cudnnDataType_t type, Uid uid, bool is_virtual = false) {
  const int64_t C = s[3], row = s[2] * C, picture = s[1] * row;
  Descriptor d(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  d.set(CUDNN_ATTR_TENSOR_DATA_TYPE, type)
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, Dims{s[0], C, s[1], s[2]})
      .set(CUDNN_ATTR_TENSOR_STRIDES, Dims{picture, 1, row, C})
      .set(CUDNN_ATTR_TENSOR_UNIQUE_ID, int64_t{uid})
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, int64_t{16})
      .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, is_virtual);
  return d.finalize();
}

// The attribute names of the three directions, which differ in nothing else.
struct ConvNames {
  cudnnBackendDescriptorType_t type;
  Name conv, x, w, y, alpha, beta;
};

ConvNames names_of(ConvDirection direction) {
  switch (direction) {
    case ConvDirection::forward:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case ConvDirection::backward_data:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    default:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
  }
}

Descriptor convolution(const ConvGraph& g, const Descriptor& x, const Descriptor& w,
                       const Descriptor& y) {
  const auto both = [](int value) { return Dims{value, value}; };
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  Descriptor geometry(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  geometry.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT)
      .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode)
      .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, int64_t{2})
      .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, Dims{g.before[0], g.before[1]})
      .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, Dims{g.behind[0], g.behind[1]})
      .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, both(g.dilation))
      .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, both(g.stride))
      .finalize();
  const ConvNames names = names_of(g.direction);
  Descriptor operation(names.type);
  operation.set(names.conv, geometry).set(names.x, x).set(names.w, w).set(names.y, y)
      .set(names.alpha, 1.0f).set(names.beta, 0.0f);
  return operation.finalize();
}

Descriptor pointwise(cudnnPointwiseMode_t mode, const Descriptor& a, const Descriptor* b,
                     const Descriptor& y) {
  Descriptor function(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  function.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode)
      .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT)
      .finalize();
  Descriptor operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, function)
      .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, a);
  if (b != nullptr) {
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *b);
  }
  return operation.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y).finalize();
}

}  // namespace

// The tensors between operations are virtual.
std::vector<Descriptor> operations_of(const ConvGraph& g) {
  const cudnnDataType_t type = type_of(g.dtype);
  const int after = g.residual + g.bias + g.relu;
  const Descriptor x = tensor(g.x, type, kX), w = tensor(g.w, type, kW);
  const Descriptor y = tensor(g.y, type, kY);
  if (after == 0) {
    return {convolution(g, x, w, y)};
  }
  std::vector<Descriptor> operations;
  Descriptor result = tensor(g.y, CUDNN_DATA_FLOAT, kConv, true);
  operations.push_back(convolution(g, x, w, result));
  int left = after;
  const auto append = [&](cudnnPointwiseMode_t mode, const Descriptor* operand, Uid uid) {
    const Descriptor next = --left == 0 ? y : tensor(g.y, CUDNN_DATA_FLOAT, uid, true);
    operations.push_back(pointwise(mode, result, operand, next));
    result = next;
  };
  if (g.residual) {
    const Descriptor residual = tensor(g.y, type, kResidual);
    append(CUDNN_POINTWISE_ADD, &residual, kSum);
  }
  if (g.bias) {
    const Descriptor bias = tensor({1, 1, 1, g.y[3]}, type, kBias);
    append(CUDNN_POINTWISE_ADD, &bias, kBiased);
  }
  if (g.relu) {
    append(CUDNN_POINTWISE_RELU_FWD, nullptr, kY);
  }
  return operations;
}

std::string ConvGraph::key() const {
  return fmt::format("{} {} {} {} {} {} {} {} {} {}{}{}", static_cast<int>(direction), x, w, y,
                     stride, fmt::join(before, " "), fmt::join(behind, " "), dilation,
                     static_cast<int>(dtype), bias, residual, relu);
}

}  // namespace mld::cuda
