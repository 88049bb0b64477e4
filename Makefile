# Copyright (c) 2026 the san.device_mapper contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# tests/prepare makes the machine ready (at once when it is), tests/check does the work.

steps := test lint typing unit docs browser sanity build hosts kernel integration reboot multipathd smoke fleet demo \
	bench campaign initramfs matrix molecule lab lab-stop play format

export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help $(steps)

help:
	@echo 'make demo      boot a SAN host, provision it over SSH twice, take paths away, reset it, stop it'
	@echo 'make bench     time the modules and what people use instead, on a booted host'
	@echo 'make campaign  random input and random faults, in great numbers, for about an hour; one alone,'
	@echo '               and again: make campaign ARGUMENTS="kills --seconds 1200 --seed 1"'
	@echo 'make initramfs build images with the rules of the role inside, by both builders, on a booted host'
	@echo 'make sanity    ansible-test sanity, with every Python that is found here'
	@echo 'make molecule  run the scenarios of extensions/molecule on a booted host'
	@echo 'make lab       leave a SAN host running, and say how to reach it'
	@echo '               LAYOUT=FILE says how many LUNs, HBAs and targets it has, and SUITE=trixie which Debian'
	@echo 'make lab-stop  end it'
	@echo 'make play PLAYBOOK=FILE  boot such a host, run your playbook on it twice, and stop it'
	@echo 'make test      lint to fleet, in this order, up to the first failure'
	@echo 'make lint      format, style, documentation, changelog, licences'
	@echo 'make typing    mypy, strict'
	@echo 'make unit      the tests that need no host'
	@echo 'make docs      build the documentation site, and say where it is'
	@echo 'make browser   open the report in Chromium, and look at what it shows'
	@echo 'make build     build the artefact, the same bytes each time, look at it as Galaxy does, install it'
	@echo 'make matrix    try each ansible-core and Python that is supported, and print what passed'
	@echo 'make hosts     boot SAN hosts, two at a time, and run the tests of each; one alone: make kernel,'
	@echo '               integration, multipathd, reboot or smoke. SUITE=bullseye, bookworm, trixie or sid for all'
	@echo 'make fleet     boot two hosts, and maintain a fabric on one after the other; boot one for the guide'
	@echo 'make format    format the Python files in place'

$(steps):
	@environment=$$(tests/prepare) && \
		exec setpriv --pdeathsig TERM -- "$$environment/bin/python" tests/check $@ $(ARGUMENTS)
