# The page and the HTTP service of a trained model (`camser demo`).
#
#   docker build -t camser-demo .
#   docker run --rm -p 7860:7860 -v "$PWD/export:/model:ro" camser-demo
#
# or with the model inside (the folder must lie below this one):
#
#   docker build -t my-model --target with-model --build-arg MODEL=export .
#   docker run --rm -p 7860:7860 my-model
#
# PyTorch comes from PyPI, with CUDA, some gigabytes. Without:
#   --build-arg PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu

FROM python:3.11-slim AS service

ARG PIP_EXTRA_INDEX_URL=""
WORKDIR /srv/camser
COPY setup.cfg setup.py pyproject.toml constraints.txt README.md LICENSE ./
COPY camser ./camser
COPY recipes ./recipes
RUN PIP_EXTRA_INDEX_URL="$PIP_EXTRA_INDEX_URL" \
    pip install --no-cache-dir --constraint constraints.txt ".[demo]"
RUN useradd --create-home --shell /usr/sbin/nologin camser && mkdir /model
USER camser
WORKDIR /tmp

# Nothing is fetched and nothing is reported at run time.
ENV HF_HUB_OFFLINE=1 \
    HF_HUB_DISABLE_TELEMETRY=1 \
    GRADIO_ANALYTICS_ENABLED=False \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONUNBUFFERED=1
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/', timeout=5)"]
ENTRYPOINT ["camser", "demo", "/model", "--host", "0.0.0.0", "--port", "7860"]

FROM service AS with-model
ARG MODEL
COPY ${MODEL} /model

# The last stage is what is built by default.
FROM service
