# Whether the CUDA backend can be built here, and with what. Sets MLD_HAS_CUDA and, if so, enables the
# CUDA language and makes the targets CUDA::cudart_static, CUDA::cublasLt, NVIDIA::CUDNN (and
# NVIDIA::NCCL where it is).
#
# Two layouts are known: libraries beside the toolkit, and NVIDIA's Python wheels (the folder "nvidia"
# of a Python environment, versioned .so names only), which is how a machine with PyTorch has them; and
# any mix. MLD_NVIDIA_WHEELS names that folder where python3 does not find it.
set(MLD_CUDA AUTO CACHE STRING "Build the CUDA backend: AUTO (if the toolkit is found), ON or OFF")
set_property(CACHE MLD_CUDA PROPERTY STRINGS AUTO ON OFF)
set(MLD_NVIDIA_WHEELS "" CACHE PATH "Folder 'nvidia' of a Python environment with NVIDIA's wheels")
set(MLD_HAS_CUDA OFF)

macro(mld_no_cuda why)
  if(MLD_CUDA STREQUAL "AUTO")
    message(STATUS "CUDA backend: not built (${why})")
  else()
    message(FATAL_ERROR "CUDA backend: ${why}; install the CUDA toolkit and cuDNN 9, or "
                        "-DMLD_CUDA=OFF")
  endif()
endmacro()

# mld_find_nvidia(CUDNN cudnn.h cudnn 9 cudnn): an imported library NVIDIA::CUDNN from its header, its
# base name, its major version and its folder among the wheels. Header and library come from one
# installation.
function(mld_find_nvidia name header library version folder)
  set(roots ${${name}_ROOT} $ENV{${name}_ROOT} ${CUDAToolkit_TARGET_DIR}
            ${CUDAToolkit_LIBRARY_ROOT} ${MLD_NVIDIA_WHEELS}/${folder})
  find_path(${name}_INCLUDE_DIR ${header} HINTS ${roots} ${CUDAToolkit_INCLUDE_DIRS}
            PATH_SUFFIXES include)
  find_library(${name}_LIBRARY NAMES ${library} lib${library}.so.${version} NAMES_PER_DIR
               HINTS ${roots} ${CUDAToolkit_LIBRARY_DIR} PATH_SUFFIXES lib lib64)
  mark_as_advanced(${name}_INCLUDE_DIR ${name}_LIBRARY)
  if(${name}_INCLUDE_DIR AND ${name}_LIBRARY AND NOT TARGET NVIDIA::${name})
    add_library(NVIDIA::${name} SHARED IMPORTED GLOBAL)
    set_target_properties(NVIDIA::${name} PROPERTIES
      IMPORTED_LOCATION "${${name}_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${${name}_INCLUDE_DIR}")
  endif()
endfunction()

if(MLD_CUDA)
  if(NOT MLD_NVIDIA_WHEELS)
    find_program(MLD_PYTHON NAMES python3 python)
    mark_as_advanced(MLD_PYTHON)
    if(MLD_PYTHON)
      execute_process(
        COMMAND ${MLD_PYTHON} -c "import importlib.util as u
s = u.find_spec('nvidia')
print(list(s.submodule_search_locations)[0] if s else '')"
        OUTPUT_VARIABLE MLD_NVIDIA_WHEELS OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    endif()
  endif()
  # nvcc: CUDACXX or CMAKE_CUDA_COMPILER, else the usual places, else the wheels.
  if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
    find_program(MLD_NVCC nvcc HINTS $ENV{CUDA_HOME}/bin $ENV{CUDA_PATH}/bin
                 PATHS /usr/local/cuda/bin ${MLD_NVIDIA_WHEELS}/cu13/bin)
    mark_as_advanced(MLD_NVCC)
    if(MLD_NVCC)
      set(CMAKE_CUDA_COMPILER ${MLD_NVCC})
    endif()
  endif()
  # A toolkit made of wheels keeps its libraries in lib; nvcc looks in lib64.
  get_filename_component(toolkit "${CMAKE_CUDA_COMPILER}" DIRECTORY)
  get_filename_component(toolkit "${toolkit}" DIRECTORY)
  if(EXISTS "${toolkit}/lib/libcudart_static.a" AND NOT EXISTS "${toolkit}/lib64")
    set(ENV{CUDAFLAGS} "$ENV{CUDAFLAGS} -L${toolkit}/lib")
    find_library(CUDA_CUDART NAMES cudart libcudart.so.13 libcudart.so.12 HINTS ${toolkit}/lib)
  endif()
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80 90)
  endif()
  if(CMAKE_VERSION VERSION_LESS 3.26)  # older CMakes do not know nvcc's C++20 mode
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
  endif()
  include(CheckLanguage)
  check_language(CUDA)
  if(NOT CMAKE_CUDA_COMPILER)
    mld_no_cuda("no CUDA compiler")
  else()
    enable_language(CUDA)
    set(CMAKE_CUDA_STANDARD 20)
    set(CMAKE_CUDA_STANDARD_REQUIRED ON)
    set(CMAKE_CUDA_EXTENSIONS OFF)
    find_package(CUDAToolkit 12.0)
    if(NOT TARGET CUDA::cublasLt)
      mld_find_nvidia(cublasLt cublasLt.h cublasLt 13 cu13)
      if(TARGET NVIDIA::cublasLt)
        add_library(CUDA::cublasLt ALIAS NVIDIA::cublasLt)
      endif()
    endif()
    mld_find_nvidia(CUDNN cudnn.h cudnn 9 cudnn)
    mld_find_nvidia(NCCL nccl.h nccl 2 nccl)
    if(NOT CUDAToolkit_FOUND OR NOT TARGET CUDA::cudart_static)
      mld_no_cuda("no CUDA runtime")
    elseif(NOT TARGET CUDA::cublasLt)
      mld_no_cuda("no cuBLASLt")
    elseif(NOT TARGET NVIDIA::CUDNN)
      mld_no_cuda("no cuDNN")
    else()
      file(STRINGS "${CUDNN_INCLUDE_DIR}/cudnn_version.h" version
           REGEX "#define CUDNN_(MAJOR|MINOR|PATCHLEVEL) ")
      string(REGEX REPLACE "[^0-9;]" "" version "${version}")
      list(JOIN version "." CUDNN_VERSION)
      if(CUDNN_VERSION VERSION_LESS 9.8)
        mld_no_cuda("cuDNN ${CUDNN_VERSION} is older than 9.8")
      else()
        set(MLD_HAS_CUDA ON)
        message(STATUS "CUDA backend: nvcc ${CMAKE_CUDA_COMPILER_VERSION}, architectures "
                       "${CMAKE_CUDA_ARCHITECTURES}, cuDNN ${CUDNN_VERSION}")
      endif()
    endif()
  endif()
endif()
