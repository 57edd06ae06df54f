# The image that nodes of a vantage6 network run: this package, and what reads a node's requests.
# From the top of the repository: docker build -f containers/vantage6-node.Dockerfile -t <name> .
FROM python:3.13-slim

COPY pyproject.toml README.md LICENSE /src/
COPY twinbayes /src/twinbayes
COPY data_schemas /src/data_schemas
COPY diseases /src/diseases
COPY priors /src/priors
COPY queries /src/queries
COPY notebooks/review /src/notebooks/review

RUN pip install --no-cache-dir "/src[vantage6]" && rm -r /src

# Chains and sites are parallel already.
ENV OMP_NUM_THREADS=1
# Kernels are compiled here, once. On a processor of another kind every container compiles them anew.
RUN ["python", "-c", "import twinbayes as tb; tb.fit(tb.disease('survival').ignoring('complete_remission', 'relapse'), tb.datasets.registry(), draws=100, tune=100, progressbar=False)"]
ENV PKG_NAME=twinbayes.federation.engines.vantage6

CMD ["python", "-c", "from vantage6.algorithm.tools.wrap import wrap_algorithm; wrap_algorithm(log_traceback=False)"]
