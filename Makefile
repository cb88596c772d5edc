.PHONY: help setup lock check run
help:            ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST)
setup:           ## install what development needs, into the active environment
	pip install -r requirements-dev.txt
lock:            ## write down the exact versions that CI installs, with hashes (needs uv)
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command "make lock" requirements-dev.txt -o requirements-lock.txt
check:           ## style of code and templates, types, migrations, tests
	ruff check . && ruff format --check . && mypy
	find templates -name "*.html" -exec djade --check --target-version 5.2 {} +
	python manage.py makemigrations --check --dry-run
	pytest
run:             ## everything on this machine, with the demo
	python manage.py up --demo
